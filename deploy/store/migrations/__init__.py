"""What led to the tables as they are."""

HEAD = "0003"  #: the newest revision
