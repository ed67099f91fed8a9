"""The pictures of the documentation: what real commands and pages show, recorded and never drawn."""
