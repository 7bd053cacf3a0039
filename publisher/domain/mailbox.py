"""Reads a mailbox, `Ann Lee <ann@example.com>`, into its name and address, as SMTP and mail headers take them."""

import re
import unicodedata
from dataclasses import dataclass

# RFC 5321, 4.5.3.1.3: a path has 256 octets, of which two are the angle brackets.
_LONGEST_ADDRESS = 254
# RFC 5322 wants text between two dots. Some providers gave out addresses without it, so it is not asked for here.
_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.\x80-\U0010ffff-]+")
_QUOTED = re.compile(r'"(?:[ !#-\[\]-~]|\\[ -~])+"')
# RFC 5322, 3.2.3: what a name may hold between quotation marks alone. The dot of `J. Lee` passes, as everywhere.
_SPECIALS = frozenset('()<>[]:;@\\,"')
_QUOTED_NAME = re.compile(r'"((?:[^"\\]|\\.)*)"')
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?|\[[A-Za-z0-9:.]+\]")
# Python's codec follows IDNA of 2003, which writes these as other letters: another domain since 2008.
_LETTERS_SINCE_2008 = frozenset("ßς")


@dataclass(frozen=True, slots=True)
class Mailbox:
    """An address, with the name that is shown beside it.

    name: any printable text; blank: there is none.
    local: what stands before the @, quoted where it must be.
    domain: in ASCII, an international one as its A-labels (`xn--…`).
    """

    name: str
    local: str
    domain: str

    @property
    def address(self) -> str:
        """The address without the name."""
        return f"{self.local}@{self.domain}"

    @property
    def needs_smtputf8(self) -> bool:
        """True if only a server that offers SMTPUTF8 can take the address (RFC 6531)."""
        return not self.local.isascii()


def parse_mailbox(text: str) -> Mailbox | None:
    """Returns the mailbox that is written as `address`, `name <address>` or `"name" <address>`; None if it is none.

    A name with one of `()<>[]:;@\\,"` must be quoted: without that, two mailboxes would be read as one (RFC 5322).
    """
    if not text.isprintable():
        return None
    text = text.strip()
    if not text.endswith(">"):
        return parse_address(text)
    before, bracket, address = text[:-1].rpartition("<")
    name = _name(before.strip())
    mailbox = parse_address(address) if bracket and name is not None else None
    return None if mailbox is None or name is None else Mailbox(name, mailbox.local, mailbox.domain)


def parse_address(text: str) -> Mailbox | None:
    """Returns the address as a mailbox without a name, or None if mail cannot be sent to it.

    None is returned, too, for an address of more than 254 octets, which SMTP has no room for.
    """
    local, at, domain = text.rpartition("@")
    if not at or not text.isprintable() or not (_LOCAL.fullmatch(local) or _QUOTED.fullmatch(local)):
        return None
    ascii_domain = domain if domain.isascii() else _a_labels(domain)
    if ascii_domain is None or not _DOMAIN.fullmatch(ascii_domain):
        return None
    if len(local.encode()) + len(ascii_domain) + 1 > _LONGEST_ADDRESS:
        return None
    return Mailbox("", local, ascii_domain)


def _a_labels(domain: str) -> str | None:
    try:
        return ".".join([_a_label(label) for label in domain.split(".")])
    except UnicodeError:
        return None


def _a_label(label: str) -> str:
    if _LETTERS_SINCE_2008.isdisjoint(label):
        return label.encode("idna").decode()
    return f"xn--{unicodedata.normalize('NFC', label.lower()).encode('punycode').decode()}"


def _name(text: str) -> str | None:
    """Returns the name without its quotation marks, or None if it is none."""
    quoted = _QUOTED_NAME.fullmatch(text)
    if quoted is not None:
        return re.sub(r"\\(.)", r"\1", quoted[1])
    return text if _SPECIALS.isdisjoint(text) else None
