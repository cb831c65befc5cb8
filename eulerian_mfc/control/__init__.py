"""Controls as functions of time. No module here imports a mesh, a scheme or a law."""
