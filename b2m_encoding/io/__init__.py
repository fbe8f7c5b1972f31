"""What every room needs of a disk: whole files, locks, hashes, archives, cache folders."""
