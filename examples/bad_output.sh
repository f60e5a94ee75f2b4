#!/bin/sh
# Leaves a link where the answer should be. Following it would read a file that is not this program's: verdict bad-output.
ln -s /etc/passwd output.json
