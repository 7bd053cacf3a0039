"""Documents for those who run, use and read the service, shipped in the wheel as Markdown."""
