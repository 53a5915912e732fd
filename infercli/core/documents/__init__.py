"""What people write (deployment, workload, profile, prices), and what is written for them (lock, plan)."""
