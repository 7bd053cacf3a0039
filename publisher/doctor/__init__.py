"""`publisher doctor`: examines the settings and both servers, check by check.

examine   runs the checks, one after the other
verdict   how a check came out, what was found, and what to do
steps/    which checks there are: each reads facts and hands them to its judge
checks/   the judges: pure functions from facts to a verdict
"""
