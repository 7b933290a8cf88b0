"""Packets to every listener, in the variant that each hears.

Modules, in the order of the flow:
    fanout          Originals and denoised packets in, each number out once to every listener
    hold            The held packets and the pointer `auto`
    groups          Header groups
    listener        One listener as the fan-out sees it
    recipients      One plaintext packet to many ears
    send_buffers    Datagrams side by side in memory
    sender_reports  Sender reports to the listeners
"""
