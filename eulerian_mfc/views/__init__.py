"""Pictures, reports and files for ParaView. Views read a solution, and nothing that computes imports them."""
