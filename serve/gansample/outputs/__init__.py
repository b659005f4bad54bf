"""Where pictures go.

base       the job, and what every form of output implements
forms      the forms by name
options    the options about the output, and all of a drawing as one value
job        from options to a job
open       from options to an output
pipeline   drawing, encoding and writing, overlapped
sheet      a grid in one picture
folder     single PNG files
arrays     .npy, .npz and raw frames
tar, zip   archives of PNG files
video      .mp4, .webm and .gif
sizes      how large each can be
grid, png, png_files, tar_members, metadata, target, lock   what they are made of
"""
