"""One thread for the products of the twin: those of one tile are too small to share between cores."""

from threadpoolctl import ThreadpoolController

__all__ = ["use_one_thread"]


def use_one_thread() -> None:
    """Let numpy's BLAS use one thread in this process from now on.

    With more, idle threads spin and take the core of the next process, and a run beside others is slower than alone. To
    use all cores, run one process for each.

    It is called when the twin is imported, and not around its work: the number belongs to the process, and OpenBLAS
    ignores a thread that is not the first one and wants to change it, so that it could not be done for one run of
    several. Whoever needs more threads for products of their own sets them afterwards, with
    ``threadpoolctl.threadpool_limits``; codes are the same with any number.
    """
    ThreadpoolController().select(user_api="blas").limit(limits=1)
