"""A package, unlike other folders of tests, so that pytest ends its fixtures with the folder: the browser's loop, for
one, which no other test could share."""
