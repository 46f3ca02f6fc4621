"""The plain files between those who make load and those who judge it: vocabulary, tables, streams, documents."""
