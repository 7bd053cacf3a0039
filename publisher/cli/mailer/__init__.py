"""`publisher mailer`: the commands of the mail service."""
