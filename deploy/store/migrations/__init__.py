"""What led to the tables as they are."""

HEAD = "0002"  #: the newest revision
