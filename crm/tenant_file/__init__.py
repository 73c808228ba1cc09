"""One YAML file describes a business completely: read it, see what applying it would change, apply it, write it again.

    reading     text -> businesses, defaults laid under each location, every mistake with its path and line
    wanted      what the file wants  }  as records of fields, compared by plan.differences,
    actual      what the database has}  judged by guards
    applying    the plan, and applying it: one transaction a business
    exporting   a file that applies to nothing to do

What is not written in a file stays as it is. What is in the database and not in a list that the file has goes only with
`prune`.
"""
