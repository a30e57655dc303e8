"""What an interpreted program does: calls, integers, floats, lists, dictionaries, strings. Prints a number over all of it."""
import sys


class Account:
    def __init__(self, name):
        self.name = name
        self.balance = 0

    def move(self, amount):
        self.balance = (self.balance * 31 + amount) % 1000003
        return self.balance


def work(rounds):
    accounts = {}
    total = 0
    mean = 0.0
    for turn in range(rounds):
        name = "account%d" % (turn * 7919 % 97)
        account = accounts.get(name)
        if account is None:
            account = accounts[name] = Account(name)
        total = (total + account.move(turn)) & 0xFFFFFFFF
        mean += (total % 1000 - mean) * 0.0625
        if turn % 64 == 0:
            newest = [one.balance ^ turn for one in accounts.values()]
            newest.sort()
            total = (total * 33 + newest[len(newest) // 2] + len("".join(sorted(accounts)))) & 0xFFFFFFFF
    return (total + int(mean * 4096)) & 0xFFFFFFFF


print("%08x" % work(int(sys.argv[1])))
