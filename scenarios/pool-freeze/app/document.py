import os
from multiprocessing import Pool


def temp(value):
    print(value)
    import requests
    URL = os.environ['UPSTREAM']
    response = requests.get(URL)
    print(f'{value} / {response.status_code}')
    if value == 5:
        raise Exception('hello')


def runner():
    items = []
    rs = []
    test_set = [
        (temp, (1,)),
        (temp, (2,)),
        (temp, (5,)),
        (temp, (3,)),
        (temp, (4,)),
    ]
    with Pool(2) as pools:
        for (fn, args) in test_set:
            items.append(pools.apply_async(fn, args=args))

        for item in items:
            rs.append(item.get())
