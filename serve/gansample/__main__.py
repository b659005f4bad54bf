from gansample.cli.start import main

main()
