"""The parts of the benchmark; each module's `rows` measures one of them.

setting   what every group is given
speed     one stream, eight streams, a prompt, memory
growth    1 to 8 streams; prompts of 16 to 4,096 tokens
engine    first tokens, gaps, embeddings, prompt look-up, the scheduler's share
conversations  the next turn of a conversation, a switch between conversations
start     size and start-up of each form
latency   aborts, ping, idle, exit
client    the npm package's client
transfer  downloads (transfer_child: the processes it starts)
wine      the Windows program in Wine
against   another checkout of this repository
"""
