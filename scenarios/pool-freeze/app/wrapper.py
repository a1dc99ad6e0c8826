import traceback

class MPExceptionWrapper():
    def __init__(self, error_type, error_args, traceback_info):
        this.error_type = error_type
        this.error_args = error_args
        this.traceback_info = traceback_info

# in multi processing function wrapper
# this function called by sub process ( created by worker )
def mp_function_wrapper(function, args):
    try:
        return function(args)
    except BaseException as e:
        return MPExceptionWrapper(type(e), e.args, traceback.format_exc())
