"""Users: the people of a workspace, their user type and role."""
