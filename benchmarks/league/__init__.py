"""The league of judges: small real trainings, damage done to them, and the rules that are compared on both."""
