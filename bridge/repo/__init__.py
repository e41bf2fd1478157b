"""Git without a working tree: a bare, shallow, blobless mirror, whole-file commits, leased pushes."""
