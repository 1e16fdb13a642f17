"""Stand-ins for the paper's five corpora: invented text in the very bytes of the originals."""
