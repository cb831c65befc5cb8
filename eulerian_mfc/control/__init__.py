"""Controls as functions of time. Nothing here knows a mesh, a scheme or a law."""
