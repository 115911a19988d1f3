"""Makes the fork server ready: importing this module warms everything that pool processes share.

The fork server of the pool imports it once; its children are then forked with OpenCV loaded and all kernels in
memory. It also ties the fork server to its parent and makes it deaf to signals meant for the whole process group.
"""

from services.process import child

child.detach()
child.warm_up()
