"""placeholder"""
def install(): pass
