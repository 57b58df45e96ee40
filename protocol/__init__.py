"""The wire: the only place where bytes become structs and structs become bytes."""
