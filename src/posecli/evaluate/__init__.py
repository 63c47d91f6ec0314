"""How accurate, how fast: poses held against COCO's annotations with pycocotools.

`find_people` runs an estimator over annotated images, `score` says how good the results are.
"""
