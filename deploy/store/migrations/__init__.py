"""What led to the tables as they are."""

HEAD = "0001"  #: the newest revision
