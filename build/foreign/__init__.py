"""What another platform's Python is put together from: an interpreter from Maven Central and the pinned packages."""
