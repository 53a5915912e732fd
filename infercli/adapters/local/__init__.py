"""The Ray on this machine, and what is kept of its releases."""
