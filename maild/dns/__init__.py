"""The Domain Name System as maild asks it."""
