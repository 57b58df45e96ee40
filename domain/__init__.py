"""The rules of HugMood: pure functions and frozen structs. No I/O, no clock, no asyncio."""
