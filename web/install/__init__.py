"""What run.py does before there is an environment: any Python from 3.8 on can read this, with nothing but its own library."""
