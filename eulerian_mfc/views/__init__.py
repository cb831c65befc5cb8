"""Pictures, reports and files for ParaView. Views read a solution; no module that computes imports them."""
