"""``python -m b2m_encoding`` is the command ``b2m``."""

from b2m_encoding.cli import main

if __name__ == "__main__":
    main()
