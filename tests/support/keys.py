"""The encryption key of hubs and workers in tests."""

from storage.encryption_keys import EncryptionKey

KEY = EncryptionKey("tests", b"32 bytes for tests and no others")
