"""What every connection of the bridge needs: whom it trusts, and how its failures are told."""
