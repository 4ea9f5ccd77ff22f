"""``python -m containerize``: the program itself."""

import sys

from containerize.program import FrontEnd

if __name__ == "__main__":
    sys.exit(FrontEnd("python -m containerize").replace_this_process(sys.argv[1:]))
