"""Who asks, by which login or token, and how often a password may be guessed.

Modules, in the order of the flow:
    identity        Who is asking
    cookies         The values of one cookie among all that browsers send
    secret          Secrets are given out once
    passwords       Argon2id, off the loop
    weak_passwords  Which passwords are guessed first
    rate_limit      How often a password may be guessed
    downloads       Recordings that are being sent, and by what right
"""
