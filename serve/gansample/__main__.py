from gansample.cli import main

main()
