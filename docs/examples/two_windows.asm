# Two windows, one after the other, into results 0 and 1. A window opens in the cycle in which the pulse begins:
# COUNT and PULSE take the same two cycles to take force.
      COUNT load_pointer
@10   COUNT open
@300  COUNT store, open
@590  COUNT store
      HALT
