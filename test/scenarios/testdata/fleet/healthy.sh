# What looks after each wave whether all is well.
test ! -e unwell
