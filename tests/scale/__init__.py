"""Two hundred locations with five hundred leads each: is it still one file, and are the commands still quick?"""
