"""placeholder while the shell is tested"""
