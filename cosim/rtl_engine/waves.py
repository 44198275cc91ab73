def write_save_file(trace, program):
    pass
