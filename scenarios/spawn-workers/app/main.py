import time
import datetime
import os

import uvicorn
from fastapi import FastAPI

g_var = 0

app = FastAPI()
print(f"main.py with {g_var} at {os.getpid()}")

g_var += 1


@app.get('/')
def home():
    global g_var
    output = f"started = {datetime.datetime.now()}, end = "
    time.sleep(10)
    output += f"{datetime.datetime.now()}, Hello {os.getpid()}, g_var = {g_var}"
    return output


if __name__ == "__main__":
    uvicorn.run("main:app", workers=3, host="0.0.0.0", port=8000, reload=False)
