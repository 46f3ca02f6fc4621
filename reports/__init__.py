"""Reads run directories: frames → statistics → plots → page; the gate → verdict."""
