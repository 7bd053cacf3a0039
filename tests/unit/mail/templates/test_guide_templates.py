"""The templates of `publisher guide mail`: they work as they stand there."""

import json
from pathlib import Path

from publisher.domain.mailbox import Mailbox
from publisher.mail.messages.message import Letter
from publisher.mail.templates.check import check_templates
from publisher.mail.templates.templates import Templates
from tests.guide_files import guide_files
from tests.unit.mail.templates.template_files import DELIVERY, write


def test_the_guides_template_makes_a_letter(tmp_path: Path) -> None:
    """Whoever copies it from the guide has a template that passes the check, and shows what the guide says."""
    write(tmp_path, {path: text for path, text in guide_files("mail").items() if path.startswith("shop.invoice/")})
    sample = json.loads((tmp_path / "shop.invoice" / "sample.json").read_text())

    made = Templates(tmp_path).letter("shop.invoice", "de", sample, DELIVERY)

    assert check_templates(tmp_path).findings == []
    assert isinstance(made, Letter)
    assert (made.subject, made.sender) == ("Your invoice 17", Mailbox("Shop", "invoices", "example.com"))
    assert made.text == "Dear Ann,\n\n- Tea: 4.50\n\nYour invoice: https://example.com/17"
    assert made.html is not None
    assert '<a href="https://example.com/17" style="color: #1d4ed8;">Your invoice 17</a>' in made.html
    assert len(made.unsubscribe) == 2
